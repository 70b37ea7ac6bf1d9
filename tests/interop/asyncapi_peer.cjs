// The official parser of AsyncAPI reads a document from standard input: what it finds wrong with
// it, what it understands of it, and what it is as plain YAML.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");
const yaml = require("js-yaml"); // which the parser reads by

const keys = (all) => all.map((one) => one.id()).sort();

function understood(document) {
  const operation = (it) => [
    it.id(),
    {
      action: it.action(),
      channels: it.channels().all().map((channel) => channel.address()),
      servers: keys(it.servers().all()),
      messages: keys(it.messages().all()),
    },
  ];
  return {
    title: document.info().title(),
    operations: Object.fromEntries(document.operations().all().map(operation)),
  };
}

async function main() {
  const text = readFileSync(0, "utf8");
  const { document, diagnostics } = await new Parser().parse(text);
  const found = diagnostics.map(({ severity, code, message, path }) => ({
    severity: ["error", "warning", "information", "hint"][severity],
    code,
    message,
    path: path.join("/"),
  }));
  const answer = { found, understood: document && understood(document), read: yaml.load(text) };
  console.log(JSON.stringify(answer));
}

main();
