import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { timestamp } from './fields.js';
import { meSchema } from './me.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';

/**
 * A call with a session's cookie must have it: no form and no page of another origin can send it without being asked for permission first.
 */
export const CONSOLE_HEADER = 'muster-request';

/**
 * Whose session a call is meant for, as {@link personText} writes it. Tabs of a browser share its cookie: where
 * somebody else has signed in since, such a call is refused with `other_person`.
 */
export const PERSON_HEADER = 'muster-person';

/** A person as the header names them. */
export function personText({
  org,
  kind,
  id,
}: {
  readonly org: string;
  readonly kind: string;
  readonly id: string;
}): string {
  return [org, kind, id].map(encodeURIComponent).join('/');
}

const sessionSchema = z
  .object({
    id: z.string(),
    via: z.enum(['token', 'link', 'oidc']).meta({ description: 'How its owner signed in.' }),
    createdAt: timestamp,
    authenticatedAt: timestamp.optional().meta({
      description:
        'When its owner last proved who they are, which a policy may want to be recent. Absent where the identity provider did not say.',
    }),
    lastUsedAt: timestamp.meta({ description: 'To the minute.' }),
    expiresAt: timestamp.meta({ description: 'When it ends if it is not used any more.' }),
    endsAt: timestamp.meta({ description: 'When it ends whatever happens.' }),
    from: z.string().meta({ description: 'The address that signed in.' }),
    agent: z.string().meta({ description: 'The browser that signed in, as it names itself.' }),
    current: z.literal(true).optional().meta({ description: 'The session that asks.' }),
    principal: meSchema,
  })
  .meta({ id: 'Session' });

const waysSchema = z
  .object({
    token: z.literal(true),
    link: z.literal(true),
    oidc: z
      .object({ name: z.string().meta({ description: 'The host of the provider.' }), start: z.string() })
      .optional()
      .meta({ description: 'Absent where no provider is configured for signing in.' }),
  })
  .meta({ id: 'SignInWays' });

const MIN_LINK_MS = 60_000;
const MAX_LINK_MS = 3_600_000;

const linkSchema = z
  .object({
    path: z.string().meta({ description: 'The path and the fragment of the console’s address.' }),
    url: z.string().optional().meta({ description: 'The whole address, where the API has been told its own.' }),
    expiresAt: timestamp,
  })
  .meta({ id: 'SignInLink' });

const signedIn = {
  201: {
    description: 'The session. Its cookie is `__Host-muster`, and over plain HTTP on loopback `muster-<port>`.',
    content: { 'application/json': sessionSchema },
    headers: { 'set-cookie': 'The session, for this browser alone: `HttpOnly`, `SameSite=Strict`.' },
  },
} as const;

const BODY_PROBLEMS = ['too_large', 'unsupported_media_type'] as const;

export const sessionOperations = defineOperations('sessions', {
  listSignInWays: {
    method: 'get',
    path: '/v1/session/ways',
    action: 'session.ways',
    summary: 'How one can sign in to the console',
    access: 'public',
    answers: { 200: jsonAnswer('The ways.', waysSchema) },
  },
  signIn: {
    method: 'post',
    path: '/v1/session',
    action: 'session.sign_in',
    audited: true,
    summary: 'Sign in to the console with an operator token',
    description:
      'For browsers: the answer sets a cookie, which counts as the credentials of calls that have no `Authorization`. Calls that change something need the header ' +
      '`Muster-Request` besides, with any value. Refused over plain HTTP, except on loopback.',
    access: 'public',
    body: z.strictObject({ token: z.string().max(8_192) }),
    answers: signedIn,
    problems: BODY_PROBLEMS,
  },
  createSignInLink: {
    method: 'post',
    path: '/v1/session/links',
    action: 'session.link',
    audited: true,
    summary: 'Make a link that signs its first user in, with the rights of who makes it',
    description:
      'The session of a link that a session made ends with that one, and when it goes on under a new cookie. `conflict`: with the cookie before no link is made any more.',
    access: 'any',
    body: z
      .strictObject({
        for: z
          .string()
          .default('10m')
          .transform((text, context) => {
            const ms = parseDurationMs(text);
            if (ms !== undefined && ms >= MIN_LINK_MS && ms <= MAX_LINK_MS) return ms;
            context.issues.push({ code: 'custom', message: 'must be a duration from 1m to 1h', input: text });
            return z.NEVER;
          })
          .meta({ description: 'For how long it may be used: `10m`.' }),
      })
      .prefault({}),
    answers: { 201: jsonAnswer('The link. It is told this once, and works once.', linkSchema) },
    problems: [...BODY_PROBLEMS, 'conflict'],
  },
  exchangeSignInLink: {
    method: 'post',
    path: '/v1/session/exchange',
    action: 'session.sign_in',
    audited: true,
    summary: 'Sign in with the code of a link',
    access: 'public',
    body: z.strictObject({ code: z.string().max(512) }),
    answers: signedIn,
    problems: BODY_PROBLEMS,
  },
  reauthenticate: {
    method: 'post',
    path: '/v1/session/reauthenticate',
    action: 'session.reauthenticate',
    audited: true,
    summary: 'Prove again who you are, with the token of the session; it goes on under a new cookie',
    description:
      'For what is refused with `reauthentication_required`. The cookie before counts for ten more seconds, for calls under way, and never as a recent sign-in; its streams end with it, and at once the sessions of links that were made under it. The end of the session stays. At an identity provider: `/v1/session/oidc/start?again=true`.',
    access: 'any',
    body: z.strictObject({ token: z.string().max(8_192) }),
    answers: { 200: signedIn[201] },
    problems: [...BODY_PROBLEMS, 'conflict'],
  },
  showSession: {
    method: 'get',
    path: '/v1/session',
    action: 'session.show',
    summary: 'The session that asks',
    access: 'any',
    answers: {
      200: jsonAnswer('The session.', sessionSchema),
      204: { description: 'A token or a JWT asks, which has none.' },
    },
    problems: [],
  },
  signOut: {
    method: 'delete',
    path: '/v1/session',
    action: 'session.sign_out',
    audited: true,
    summary: 'Sign out: the session ends, in every API process',
    access: 'any',
    answers: {
      204: { description: 'It is over.', headers: { 'set-cookie': 'Takes the cookie away.' } },
    },
    problems: [],
  },
  listSessions: {
    method: 'get',
    path: '/v1/sessions',
    action: 'session.list',
    summary: 'Your own sessions: those of the same token or person of the provider, the last used one first',
    access: 'any',
    answers: {
      200: jsonAnswer('At most 100.', z.object({ items: z.array(sessionSchema) }).meta({ id: 'SessionList' })),
    },
    problems: [],
  },
  revokeSession: {
    method: 'delete',
    path: '/v1/sessions/{id}',
    action: 'session.revoke',
    audited: true,
    summary: 'End one of your own sessions, and the streams that it has open',
    access: 'any',
    params: z.object({ id: z.string().regex(/^s[a-z2-7]{16}$/, 'is not the id of a session') }),
    answers: { 204: { description: 'It is over.' } },
    problems: ['not_found'],
  },
  startOidc: {
    method: 'get',
    path: '/v1/session/oidc/start',
    action: 'session.oidc_start',
    summary: 'Sign in at the identity provider: sends the browser there',
    access: 'public',
    query: z.object({
      to: z
        .string()
        .regex(/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}$/, 'is not a path of the console')
        .default('/')
        .meta({ description: 'Where in the console to go afterwards.' }),
      again: z.literal('true').optional().meta({
        description:
          'The session of this browser goes on, and the provider has to ask again who it is. Somebody else is sent to `/sign-in?error=other`.',
      }),
    }),
    answers: { 302: { description: 'To the provider, or to `/sign-in?error=…` where it cannot be reached.' } },
    problems: ['not_found'],
  },
  finishOidc: {
    method: 'get',
    path: '/v1/session/oidc/callback',
    action: 'session.sign_in',
    audited: true,
    summary: 'Where the identity provider sends the browser back to',
    description:
      'The code flow with PKCE. State and nonce are bound to the browser by a cookie of ten minutes. The session that it opens has the role, the org and the selector that the ID token says.',
    access: 'public',
    query: z.looseObject({ code: z.string().max(4_096).optional(), state: z.string().max(512).optional() }),
    answers: {
      302: {
        description:
          'Into the console with a session, or to `/sign-in?error=…`: `denied`, `expired`, `role`, `failed`, `unavailable`, `other`.',
      },
    },
    problems: ['not_found'],
  },
});

export type SessionJson = Json<typeof sessionSchema>;
export type SignInWaysJson = Json<typeof waysSchema>;
export type SignInLinkJson = Json<typeof linkSchema>;
