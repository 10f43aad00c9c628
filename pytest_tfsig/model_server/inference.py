"""Inference: the answers to predict, classify, regress and multi-inference requests, for every transport."""

from __future__ import annotations

from pytest_tfsig.model_server.classify import classify
from pytest_tfsig.model_server.multi_inference import multi_inference
from pytest_tfsig.model_server.predict import predict
from pytest_tfsig.model_server.regress import regress

__all__ = ["classify", "multi_inference", "predict", "regress"]
