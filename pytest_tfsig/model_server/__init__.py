"""The embedded model server: TensorFlow Serving's behaviour on TensorFlow's C API."""
