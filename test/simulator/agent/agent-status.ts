/**
 *     idle ──connect──▶ connecting ──WELCOME──▶ ready ──lost, reconnect code──▶ waiting ──▶ connecting
 *                                                 ├──permanent refusal──▶ excluded
 *     any ──stop, kill──▶ stopped                 └──disappear──▶ waiting (long)
 */
export type AgentStatus = 'idle' | 'connecting' | 'ready' | 'waiting' | 'excluded' | 'stopped';
