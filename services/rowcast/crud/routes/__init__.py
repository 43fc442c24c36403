"""One module per group of endpoints; each only translates between HTTP and the use cases."""

from starlette.convertors import StringConvertor, register_url_convertor


class _Segment(StringConvertor):
    """A part of a path up to a colon, after which a verb stands: `/deadletters/7:replay` is no letter's own path."""

    regex = "[^/:]+"


register_url_convertor("segment", _Segment())
