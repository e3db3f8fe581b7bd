"""Where and when a model looks: maps of clips, the files that show them, and measures of whether they are true."""

from videotcav.maps.compute import clip_maps, stream_maps
from videotcav.maps.files import CAM_SCALE, write_maps
from videotcav.maps.passes import class_maps, last_spatial_layer, layer_maps, require_space
from videotcav.maps.view import CamMaps, ClipMaps, PixelSettings

__all__ = [
    "CAM_SCALE",
    "CamMaps",
    "ClipMaps",
    "PixelSettings",
    "class_maps",
    "clip_maps",
    "last_spatial_layer",
    "layer_maps",
    "require_space",
    "stream_maps",
    "write_maps",
]
