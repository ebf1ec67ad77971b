import { huntCases } from './hunt-cases.js';

// Each channel alone: hunts.long.test.ts
huntCases('mixed', 120);
