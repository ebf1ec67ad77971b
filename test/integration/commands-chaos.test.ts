import { commandsUnderKills } from './commands-chaos-cases.js';

// More endpoints and more commands: commands-chaos.long.test.ts
commandsUnderKills({ agents: 400, perSecond: 60, afterMs: 3_000 });
