/** Writes `pack.schema.json`, the JSON schema of packs for editors, from `src/format/pack-schema.ts`. Run it after a build. */
import { writeFileSync } from 'node:fs';
import { packJsonSchema } from './dist/index.js';

writeFileSync(new URL('pack.schema.json', import.meta.url), `${JSON.stringify(packJsonSchema(), undefined, 2)}\n`);
