/** The channel of a session: a WebSocket, or polling over HTTPS. */
export const SESSION_MODES = ['live', 'poll'] as const;
export type SessionMode = (typeof SESSION_MODES)[number];
