"""A GigE Vision camera of an independent stack (viva-genicam, MIT), as a process.

Arguments: the address to listen on, options of FakeGigeCamera as JSON. On stdin a command a line, each with an answer:
`truth`, `revoke`.
"""

import json
import sys

from viva_genicam.testing import FakeGigeCamera

options = json.loads(sys.argv[2])
options["drop_packets"] = [tuple(pair) for pair in options.get("drop_packets", [])]
camera = FakeGigeCamera(bind_ip=sys.argv[1], **options)
camera.start()
print("up", flush=True)
for line in sys.stdin:
    if line.strip() == "revoke":
        camera.revoke_control()
    print(json.dumps({"triggers": camera.software_triggers(), "blocks": camera.blocks_sent()}), flush=True)
