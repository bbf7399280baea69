"""The table that the process shares."""

from __future__ import annotations

import threading

import pytest
from onnxport_custom_ops import Session, register_custom_op_symbolic, unregister_custom_op_symbolic
from onnxport_custom_ops.registrations import choose, registered_for
from onnxport_ir.errors import InvalidArgument


def symbolic(g, x):
    return x


@pytest.mark.parametrize("name", ["foo", "", "::", "a::b::c", "a b::c", "a::", None, 3])
def test_names_that_are_none(name):
    with pytest.raises(InvalidArgument, match="no operator's name"):
        register_custom_op_symbolic(name, symbolic, 9)


@pytest.mark.parametrize("opset", [0, -1, 999, "9", None, True, 9.0])
def test_opsets_that_are_none(opset):
    with pytest.raises(InvalidArgument, match="no opset"):
        register_custom_op_symbolic("tests::registered", symbolic, opset)
    assert "tests::registered" not in registered_for(18)


def test_functions_that_are_none():
    with pytest.raises(InvalidArgument, match="cannot be called"):
        register_custom_op_symbolic("tests::registered", 3, 9)


def test_which_function_is_for_which_opset():
    table = {"a::b": {9: "nine", 14: "fourteen"}, "a::c": {11: "eleven"}}
    assert choose(table, 7) == {"a::b": "nine"}
    assert choose(table, 9) == {"a::b": "nine"}
    assert choose(table, 13) == {"a::b": "nine", "a::c": "eleven"}
    assert choose(table, 14) == {"a::b": "fourteen", "a::c": "eleven"}
    assert choose(table, 23) == {"a::b": "fourteen", "a::c": "eleven"}


def test_a_session_keeps_what_was_registered_when_it_was_made():
    register_custom_op_symbolic("::registered", symbolic, 9)
    session = Session(18)
    unregister_custom_op_symbolic("aten::registered", 9)
    assert session.registered["aten::registered"] == symbolic.__module__
    assert "aten::registered" not in Session(18).registered


def test_taking_back_what_is_not_there():
    with pytest.warns(UserWarning, match="no symbolic function is registered for tests::nothing"):
        unregister_custom_op_symbolic("tests::nothing", 9)


def test_threads_register_at_once():
    def work(index):
        for opset in range(9, 21):
            register_custom_op_symbolic(f"tests::op{index}", symbolic, opset)
            assert f"tests::op{index}" in registered_for(20)
        for opset in range(9, 21):
            unregister_custom_op_symbolic(f"tests::op{index}", opset)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [name for name in registered_for(20) if name.startswith("tests::")]
