export { Fleet } from './fleet.js';
export type { FleetOptions } from './fleet-options.js';
export type { SimulatedAgent, AgentStatus } from './agent.js';
export type { Behaviour, BehaviourMix } from './behaviour.js';
export type { ChannelBehaviour } from './channel.js';
export type { CommandBehaviour } from './commands/command-behaviour.js';
export { disagreements, Oracle, type JournaledTarget, type Run, type RunResult } from './commands/oracle.js';
export type { ExpectedGroup, ExpectedResult } from './truth.js';
