"""An RTSP server of GStreamer, run by Debian's Python.

stdout: the port, once it listens on 127.0.0.1. The path is /line. Arguments: the port to take (0: any), the pattern.
With solid-color each picture is one colour that says when it was made: red and green tell the monotonic time in
steps of 10 ms, 28 levels each: 7.84 s, then it begins again.
"""

import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc name=source is-live=true pattern={} ! "
    "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=4000 ! rtph264pay name=pay0 pt=96 )"
)


def colour() -> int:
    tick = time.monotonic_ns() // 10_000_000
    red, green = 16 + 8 * (tick // 28 % 28), 16 + 8 * (tick % 28)
    return 0xFF000000 | red << 16 | green << 8 | 0x80


def configured(_factory: object, media: "GstRtspServer.RTSPMedia") -> None:
    source = media.get_element().get_by_name("source")
    source.set_property("foreground-color", colour())

    def stamp(_pad: object, _info: object) -> "Gst.PadProbeReturn":
        source.set_property("foreground-color", colour())  # of the next picture, which is made right after this one
        return Gst.PadProbeReturn.OK

    source.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, stamp)


Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(PIPELINE.format(sys.argv[2]))
factory.set_shared(True)
factory.connect("media-configure", configured)
server.get_mount_points().add_factory("/line", factory)
if server.attach(None) == 0:
    sys.exit("the port is taken")
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
