import { huntCases } from './hunt-cases.js';

for (const channel of ['live', 'poll'] as const) huntCases(channel, 120);
