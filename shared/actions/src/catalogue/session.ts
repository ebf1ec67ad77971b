import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { word } from './fields.js';

export const sessionActions: readonly ActionDefinition[] = [
  {
    name: 'session.logout',
    summary: 'Ends the sessions of a user, or one session',
    params: z.strictObject({
      user: word('a user').optional().describe('Login name: all sessions of this user'),
      tty: word('a terminal').optional().describe('Only the session on this terminal, as logged_in_users.tty has it'),
      session: word('a session').optional().describe('Id of the session, as loginctl or query session shows it'),
    }),
    object: [
      { required: ['user'], optional: ['tty'] },
      { required: ['session'], optional: [] },
    ],
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: true,
    binds: {
      table: 'logged_in_users',
      required: ['user', 'tty'],
      optional: ['pid', 'time'],
      integers: ['pid', 'time'],
    },
    timeoutMs: 30_000,
    lane: 'session',
  },
];
