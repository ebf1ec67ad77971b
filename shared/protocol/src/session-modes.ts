/** How a session talks: over a WebSocket, or by polling over HTTPS. */
export const SESSION_MODES = ['live', 'poll'] as const;
export type SessionMode = (typeof SESSION_MODES)[number];
