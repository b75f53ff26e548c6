// Pairs of documents on stdin; for each what differs, with api-smart-diff's verdict, on stdout.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const { apiCompare } = createRequire(join(process.cwd(), "package.json"))("api-smart-diff");
const pairs = JSON.parse(readFileSync(0, "utf-8"));
const told = pairs.map(({ before, after }) =>
  apiCompare(before, after).diffs.map(({ type, action, path }) => ({ type, action, path })),
);
process.stdout.write(JSON.stringify(told));
