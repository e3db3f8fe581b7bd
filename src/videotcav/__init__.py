"""Why did the video model see that action?"""
