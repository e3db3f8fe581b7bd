"""`python -m videotcav`: the command line."""

from videotcav.cli import main

if __name__ == "__main__":
    main()
