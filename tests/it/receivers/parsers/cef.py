"""Reads lines of CEF by pycef and writes their pairs, a line of JSON each.

What pycef 1.11 does otherwise than CEF's specification has it, and what is done about it:
- it leaves escapes in the values as they are: they are taken off here;
- it puts the value of a custom key under the key's label (`cs1Label=messageId`: `messageId`).
"""

import json
import re
import sys

import pycef

HEADER = {
    "CEFVersion", "DeviceVendor", "DeviceProduct", "DeviceVersion", "DeviceEventClassID", "Name",
    "DeviceName", "Severity", "DeviceSeverity",
}
ESCAPED = {"n": "\n", "r": "\r"}


def unescaped(value):
    return re.sub(r"\\(.)", lambda match: ESCAPED.get(match[1], match[1]), value)


for line in sys.stdin.buffer.read().decode().split("\n")[:-1]:
    parsed = pycef.parse(line)
    print(json.dumps({key: unescaped(parsed[key]) for key in parsed if key not in HEADER}))
