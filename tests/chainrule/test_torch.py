"""The device and what is reported of the machine."""

import sys

import numpy as np
import pytest
import torch

from chainrule.torch import device, report


def test_device_is_the_best_there_is():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert device().type == best and device("cpu") == torch.device("cpu")


def test_wrong_device():
    with pytest.raises(ValueError, match="no device is called 'gpu'; wanted 'cuda', 'mps' or 'cpu'"):
        device("gpu")
    missing = "mps" if torch.cuda.is_available() else "cuda:0"
    with pytest.raises(ValueError, match="this machine has no"):
        device(missing)


def test_report_names_what_there_is():
    assert f"NumPy {np.__version__}" in report() and f"PyTorch {torch.__version__}" in report()


def test_report_without_pytorch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert report().split("\n")[1:] == [f"NumPy {np.__version__}", "PyTorch: not installed"]
