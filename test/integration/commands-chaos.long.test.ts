import { commandsUnderKills } from './commands-chaos-cases.js';

commandsUnderKills({ agents: 2_000, perSecond: 200, afterMs: 5_000 });
