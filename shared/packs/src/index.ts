/**
 * The pack format: checks in YAML, what their answers mean, and what differs between two packs. Needs nothing of Node,
 * so that browsers use it too. `@muster/packs/lint` compiles the SQL, `@muster/packs/import` reads other formats.
 */
export { type Check, type Pack, PACK_LIMITS, SEVERITIES, type Severity } from './format/pack-schema.js';
export { CHECK_OUTCOMES, type CheckOutcome } from '@muster/protocol/vocabulary';
export { type PackDocument, readPack, type ReadPack } from './format/read-pack.js';
export { writePack } from './format/write-pack.js';
export { packJsonSchema } from './format/json-schema.js';
export { type CheckAnswer, judge, type JudgedCheck, type Verdict } from './checks/judge.js';
export { type CheckChange, diffPacks, type PackDiff } from './format/diff-packs.js';
export { type Fault, type Place, readYaml } from './yaml/read-yaml.js';
