export { Fleet } from './fleet/fleet.js';
export type { FleetOptions } from './agent/fleet-options.js';
export type { SimulatedAgent } from './agent/agent.js';
export type { AgentStatus } from './agent/fleet-stats.js';
export type { Behaviour, BehaviourMix } from './agent/behaviour.js';
export type { ChannelBehaviour } from './agent/channel-selector.js';
export type { CommandBehaviour } from './commands/command-behaviour.js';
export { disagreements, Oracle, type JournaledTarget, type Run, type RunResult } from './truth/oracle.js';
export type { ExpectedGroup, ExpectedResult } from './truth/expected-result.js';
