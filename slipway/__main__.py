"""`python -m slipway`, from a checkout."""

from slipway.cli import main

if __name__ == "__main__":
    main()
