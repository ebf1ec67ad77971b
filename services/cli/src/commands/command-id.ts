import type { ApiClient } from '@muster/api-client';
import { wholeId } from '../environment/short-ids.js';

/** The path parameters of calls about one command, whose id may be shortened. @throws CliError unless exactly one begins so */
export async function commandParams(client: ApiClient, text: string): Promise<{ readonly id: string }> {
  return { id: await wholeId(client, 'command', text) };
}
