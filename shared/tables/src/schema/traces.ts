import { bigint, EQUAL, integer, LINUX, sensitive, SOURCE_OR_LIKE, table, text } from './column.js';
import type { TableSpec } from './table-spec.js';

/** What people keep and leave on a machine. Files in a home count when they are that user's own, or really in that home. */
export const TRACE_TABLES: readonly TableSpec[] = [
  sensitive(
    'secret',
    table('shell_history', 'Commands in the history files of shells; of a file over 16 MiB those at its end', LINUX, [
      bigint('uid', 'Whose history it is', EQUAL),
      integer('time', 'When the command was given, Unix seconds; 0 where the shell did not note it'),
      text('command', 'Text of the command'),
      text('history_file', 'File that has it'),
    ]),
  ),
  sensitive(
    'personal',
    table('known_hosts', 'Host keys that users have accepted', LINUX, [
      bigint('uid', 'Whose they are', EQUAL),
      text('key', 'Line of the file: hosts, type and key'),
      text('key_file', 'File that has it'),
    ]),
  ),
  sensitive(
    'personal',
    table('ssh_configs', 'Settings of the SSH client, of the machine and of users', LINUX, [
      bigint('uid', 'Whose they are; 0 for those of the machine', EQUAL),
      text('block', 'The Host or Match line that the option stands below, in lower case'),
      text('option', 'The line, in lower case'),
      text('ssh_config_file', 'File that has it'),
    ]),
  ),
  sensitive(
    'personal',
    table('user_ssh_keys', 'Private keys in the .ssh folders of users, and whether they need a passphrase', LINUX, [
      bigint('uid', 'In whose home the key is', EQUAL),
      text('path', 'File of the key'),
      integer('encrypted', '1 when it needs a passphrase'),
      text('key_type', 'rsa, dsa, ec, ed25519; empty when it cannot be told'),
      text('key_group_name', 'Curve of an ec key'),
      integer('key_length', 'Bits; -1 when it cannot be told'),
      integer('key_security_bits', 'Bits of security; -1 when it cannot be told'),
    ]),
  ),
  sensitive(
    'secret',
    table('shadow', 'State and age of the passwords of local accounts; no hashes', LINUX, [
      text('password_status', 'empty, not_set, locked or active'),
      text('hash_alg', 'Identifier of the hash algorithm, such as 6, y or 2b'),
      bigint('last_change', 'Day of the last change, counted from 1970-01-01; -1 without one'),
      bigint('min', 'Days before it may be changed again'),
      bigint('max', 'Days after which it must be changed'),
      bigint('warning', 'Days of warning before that'),
      bigint('inactive', 'Days after that until the account is locked'),
      bigint('expire', 'Day on which the account expires, counted from 1970-01-01'),
      bigint('flag', 'Reserved'),
      text('username', 'Account'),
    ]),
  ),
  sensitive('secret', {
    ...table('file_lines', 'Lines of text files, up to 16 MiB of each', LINUX, [
      text('path', 'Absolute path', SOURCE_OR_LIKE),
      text('line', 'One line, without its end'),
      bigint('number', 'Its number, from 1', { hidden: true }),
    ]),
    requiresOneOf: ['path'],
  }),
];
