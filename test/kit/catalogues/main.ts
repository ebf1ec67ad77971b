import { writeFileSync } from 'node:fs';
import { catalogueFiles } from './catalogue-files.js';

// `node test/bin/run.mjs kit/catalogues` writes the files anew after actions, tables or host metrics have changed.
for (const [path, text] of catalogueFiles()) writeFileSync(path, text);
