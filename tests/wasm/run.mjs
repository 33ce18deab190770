// Prints a line with a name and one with the checksum of every layer: node run.mjs MODULE.wasm NAME COUNT
import { readFileSync } from "node:fs";

const [module, name, count] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(module));
const lines = [`isa ${name}`];
for (let number = 0; number < Number(count); number++) {
  lines.push((instance.exports.checksum(number) >>> 0).toString(16).padStart(8, "0"));
}
console.log(lines.join("\n"));
