"""`sagebrush images`."""

import click

from sagebrush.cli import options, progress
from sagebrush.kernel.compute.images import BuildError, Image, Images, ManifestError, folders_of


@click.group("images", help="List the images, or build their environments ahead.")
def command() -> None:
    """Hold the subcommands."""


@command.command("list", help="List the images: what each is for, the repositories it stands for, whether it is built.")
@options.settings("data", "cache")
def list_images(data: str | None, cache: str | None) -> None:
    """Print them."""
    images, every = _images(data, cache)
    for image in every:
        click.echo(f"{image.name:<14} {'built' if images.built(image) else 'not built':<10} {image.description}")
        for repository, tags in image.repositories.items():
            click.echo(f"{'':<14} {'':<10} {repository}:{', '.join(tags)}")


@command.command("build", help="Build the environments of these images, or of all; those that are built stay.")
@options.settings("data", "cache")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def build_images(data: str | None, cache: str | None, names: tuple[str, ...]) -> None:
    """Build them, one after the other."""
    images, every = _images(data, cache)
    known = {image.name: image for image in every}
    if unknown := [name for name in names if name not in known]:
        message = f"There is no image {', '.join(unknown)}. There are: {', '.join(known)}."
        raise click.ClickException(message)
    for image in [known[name] for name in names] or every:
        build(images, image)


def build(images: Images, image: Image) -> None:
    """Build an image's environment, showing how far it is; end the command where it cannot be built."""
    if images.built(image):
        return
    try:
        with progress.Bar(f"image {image.name}") as bar:
            images.build(image, bar.show)
    except BuildError as error:
        message = f"The environment of image {image.name} could not be built.\n{error}"
        raise click.ClickException(message) from error


def _images(data: str | None, cache: str | None) -> tuple[Images, list[Image]]:
    settings = options.read(data=data, cache=cache)
    images = Images(settings.cache, folders_of(settings))
    try:
        return images, images.list()
    except ManifestError as error:
        raise click.ClickException(str(error)) from error
