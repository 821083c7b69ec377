// Reads lines of LEEF by nsyslog-parser and writes their pairs, a line of JSON each.
//
// What nsyslog-parser 0.10.1 does otherwise than LEEF's specification has it, and what is done about it:
// - it looks for a seventh part of the header, so that attributes end at the first `|` in them: here
//   each such sign is another one while it parses;
// - it ends a value at a `=` in it: the test compares what stands before.
const { readFileSync } = require("node:fs");
const leef = require("nsyslog-parser/leef.js");

const STAND_IN = "\ue000";

for (const line of readFileSync(0, "utf8").split("\n").slice(0, -1)) {
  const count = line.startsWith("LEEF:1.0|") ? 5 : 6;
  const parts = line.split("|");
  const attributes = parts.slice(count).join(STAND_IN);
  const { fields } = leef.parse([...parts.slice(0, count), attributes].join("|"));
  const pairs = Object.entries(fields).map(([key, value]) => [key, value.replaceAll(STAND_IN, "|")]);
  console.log(JSON.stringify(Object.fromEntries(pairs)));
}
