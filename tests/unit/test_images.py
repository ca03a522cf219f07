"""Images: what a URI means, what an image.toml may say, and how an environment comes to be."""

import threading
from pathlib import Path

import pytest

from sagebrush.kernel.compute.build import Environment
from sagebrush.kernel.compute.images import BuildError, Images, ManifestError, shipped
from sagebrush.kernel.compute.pip_settings import PipSettings

MANIFEST = """
name = "{name}"
description = "for tests"
requirements = [{requirements}]
python = "3"
[entry]
train = ["python", "/opt/image/train.py"]
[repositories]
"sagemaker-{name}" = ["*"]
"{name}" = ["1", "latest", "2.*-cpu"]
[versions]
"""

OFFLINE = PipSettings({"no-index": "true"})


def image_folder(tmp_path: Path, name: str = "mine", requirements: str = "") -> Path:
    (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
    text = MANIFEST.format(name=name, requirements=requirements)
    (tmp_path / "images" / name / "image.toml").write_text(text)
    return tmp_path / "images"


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path / "cache", [image_folder(tmp_path)], OFFLINE)


@pytest.mark.parametrize(
    "uri",
    [
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-mine:1.7-1",
        "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-mine:anything",
        "451049120500.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-mine:1",
        "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/sagemaker-mine",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-mine@sha256:" + "0" * 64,
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/mine:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/mine:latest",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/mine:2.5-cpu",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/mine",
        "sagebrush/mine",
        "sagebrush/mine:whatever",
    ],
)
def test_a_uri_as_aws_writes_it_finds_its_image(images: Images, uri: str) -> None:
    image = images.resolve(uri)
    assert image is not None
    assert image.name == "mine"


@pytest.mark.parametrize(
    "uri",
    [
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/mine:3",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/yours:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/team/mine:1",
        "12.dkr.ecr.us-east-1.amazonaws.com/mine:1",
        "docker.io/library/mine:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/sagebrush/mine",
        "sagebrush/yours",
        "",
    ],
)
def test_a_uri_of_something_else_finds_none_and_the_refusal_names_what_there_is(images: Images, uri: str) -> None:
    assert images.resolve(uri) is None
    assert images.unknown(uri) == (
        f"Requested image {uri} not found. This platform has the repositories mine, sagemaker-mine."
    )


def test_the_images_of_this_platform_stand_for_the_repositories_that_sdks_name() -> None:
    images = Images(Path("unused"))
    assert images.folders == (shipped(),)
    for uri, name in (
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "xgboost"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3", "sklearn"),
    ):
        image = images.resolve(uri)
        assert image is not None
        assert image.name == name
        assert {"train", "serve"} <= image.entry.keys()
        assert all("==" in requirement for requirement in image.requirements)


def test_an_entry_stands_for_its_argv_and_other_commands_for_themselves(images: Images) -> None:
    image = images.list()[0]
    assert image.command(("train",)) == ("python", "/opt/image/train.py")
    assert image.command(("train", "--fast")) == ("python", "/opt/image/train.py", "--fast")
    assert image.command(("bash", "train")) == ("bash", "train")
    assert image.command(()) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('name = "mine"', ""), "name must be given, as a str"),
        (('python = "3"', "python = 3.11"), "python must be given, as a str"),
        (("requirements = []", 'requirements = "numpy"'), "requirements must be given, as a list"),
        (('["python", "/opt/image/train.py"]', '"python train.py"'), "train must be a list of texts"),
        (("[versions]", "[version]"), "versions must be given, as a dict"),
        (("[versions]", "[versions]\n[extra]"), "extra: no such setting"),
        (("[entry]", "[entry"), "Expected ']'"),
    ],
)
def test_a_manifest_that_is_not_well_made_is_refused_by_name(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    path = image_folder(tmp_path) / "mine/image.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ManifestError, match=r"image\.toml: ") as refusal:
        Images(tmp_path / "cache", [tmp_path / "images"], OFFLINE).list()
    assert said in str(refusal.value)


def test_an_environment_is_built_once_however_many_ask(tmp_path: Path, images: Images) -> None:
    image = images.list()[0]
    assert not images.built(image)
    told: list[tuple[str, float]] = []
    found: list[Environment] = []
    builders = [
        threading.Thread(target=lambda: found.append(images.build(image, lambda *news: told.append(news))))
        for _ in range(3)
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert images.built(image)
    assert found[0] == found[1] == found[2]
    assert (found[0].packages / "pip/__init__.py").exists()
    assert list(found[0].packages.glob("pip/__pycache__/*.pyc")), "modules are compiled ahead"
    assert found[0].python.is_file()
    assert [text for text, _ in told].count("Making the environment") == 1
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert told[-1][1] == 1.0
    assert [path.name for path in (tmp_path / "cache/images").iterdir() if not path.name.startswith(".")] == [
        found[0].folder.name
    ]


def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    folder = image_folder(tmp_path, requirements='"there-is-no-such-package==1.0"')
    images = Images(tmp_path / "cache", [folder], OFFLINE)
    with pytest.raises(BuildError, match="there-is-no-such-package"):
        images.build(images.list()[0])
    assert not images.built(images.list()[0])
    assert all(path.name.endswith(".lock") for path in (tmp_path / "cache/images").iterdir())


def test_other_requirements_make_another_environment(tmp_path: Path, images: Images) -> None:
    before = images.place(images.list()[0])
    image_folder(tmp_path, requirements='"numpy==2.0.0"')
    after = Images(tmp_path / "cache", images.folders, OFFLINE)
    assert after.place(after.list()[0]) != before


def test_an_environment_whose_interpreter_is_gone_says_so(images: Images) -> None:
    image = images.list()[0]
    environment = images.build(image)
    (environment.folder / "bin/python").unlink()
    with pytest.raises(BuildError, match="damaged"):
        images.build(image)


def test_packages_come_from_where_pip_is_told_to_look(tmp_path: Path) -> None:
    (tmp_path / "config/pip").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "index/simple").mkdir(parents=True)
    (tmp_path / "config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://mirror.example/simple\ntimeout = 7\ncert = /pem\n"
        f"[install]\nfind-links = {tmp_path}/wheels\nextra_index_url =\n    file://{tmp_path}/index/simple\n"
        "    https://more.example/simple\n"
    )
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CONFIG_DIRS": str(tmp_path), "PATH": "/bin"}
    settings = PipSettings.read(
        {
            **variables,
            "PIP_INDEX_URL": "https://nearer.example/simple",
            "PIP_TARGET": "/elsewhere",
            "SSL_CERT_FILE": "/c",
        },
        tmp_path / "home",
        tmp_path / "prefix",
    )
    arguments = " ".join(settings.uv_arguments())
    assert "--default-index https://nearer.example/simple" in arguments
    assert f"--extra-index-url file://{tmp_path}/index/simple --extra-index-url https://more.example" in arguments
    assert f"--find-links {tmp_path}/wheels" in arguments
    assert settings.uv_environment() == {"SSL_CERT_FILE": "/pem", "UV_HTTP_TIMEOUT": "7"}
    told = settings.variables()
    assert told["PIP_INDEX_URL"] == "https://nearer.example/simple"
    assert (told["SSL_CERT_FILE"], told["PIP_CERT"]) == ("/c", "/pem")
    assert "PIP_TARGET" not in told
    assert {tmp_path / "wheels", tmp_path / "index"} <= set(settings.paths())


def test_a_broken_pip_configuration_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    settings = PipSettings.read({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}, tmp_path, tmp_path / "prefix")
    assert settings.variables().keys() <= PipSettings.read({}, tmp_path, tmp_path / "prefix").variables().keys()
