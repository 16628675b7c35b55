"""Nothing that is read may run as a program: no pickles, no eval, no shell, in any package.

Data come from sockets, from other labs and from the net. The formats we read are data only.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("capture", "calibration", "annotation", "mavfer", "model", "benchmarks")
FORBIDDEN_MODULES = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"),
}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "breakpoint"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader"),
    *("tempfile.mktemp", "socket.recv_pyobj", "torch.hub.load", "torch.jit.load"),
}
FORBIDDEN_METHODS = {"recv_pyobj", "send_pyobj", "recv_serialized", "extractall"}
ARGUMENTS = {"shell": True, "allow_pickle": True, "weights_only": False, "trust_remote_code": True}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or "", *(f"{node.module}.{name}" for name in names)]
            for name in names:
                if name.partition(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_CALLS:
                    yield node.lineno, f"import {name}"
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in FORBIDDEN_METHODS:
            yield node.lineno, f"{name}()"
        given = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        for argument, bad in ARGUMENTS.items():
            if argument in given and given[argument] is bad:
                yield node.lineno, f"{name}({argument}={bad})"
        if name == "torch.load" and given.get("weights_only") is not True:
            yield node.lineno, "torch.load() without weights_only=True"


def test_no_package_can_be_made_to_run_what_it_reads() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, what in unsafe(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "from os import system",
        "eval(text)",
        "yaml.load(text, Loader=Loader)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(command, shell=True)",
        "socket.recv_pyobj()",
        "tar.extractall()",
    ],
)
def test_each_of_these_would_be_found(source: str) -> None:
    assert list(unsafe(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "yaml.safe_load(text)",
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "re.compile(text)",
        "model.eval()",
        "subprocess.run(command, shell=False)",
    ],
)
def test_these_are_fine(source: str) -> None:
    assert not list(unsafe(ast.parse(source)))
