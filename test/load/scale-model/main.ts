import { writeFileSync } from 'node:fs';
import { computedDocuments } from './read-documents.js';

/** `npm run scale-model`: computes the tables of the documents from the steps that bench:scale has kept. */
for (const { path, computed } of computedDocuments()) {
  writeFileSync(path, computed);
  console.log(path);
}
