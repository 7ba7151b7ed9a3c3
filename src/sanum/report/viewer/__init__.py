"""A viewer inside a page: three linked planes on canvases, in plain JavaScript, without WebGL or a server."""
