#!/usr/bin/env node
// npm links this file before anything is built, so it exists in the source tree and says so when the build is missing.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/main.js', import.meta.url);
if (!existsSync(fileURLToPath(main))) {
  console.error('muster is not built yet: run `npm start` (or `npm run build`) once.');
  process.exit(1);
}
await import(main.href);
