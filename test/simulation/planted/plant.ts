import { register } from 'node:module';
import { PLANTED } from './faults.js';

/** Loaded before the program (`node --import`): puts the fault that `MUSTER_PLANTED_FAULT` names into what is loaded. */
const fault = PLANTED[Number(process.env['MUSTER_PLANTED_FAULT'])];
if (fault === undefined) throw new RangeError('MUSTER_PLANTED_FAULT is no index of a planted fault');
register(new URL('./hooks.js', import.meta.url), { data: fault });
