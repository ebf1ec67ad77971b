import { decodeBusMessage, type GatewayRequest } from '@muster/messages';

/** What a message between gateways says. */
export function mailText(data: Uint8Array): string {
  const message = decodeBusMessage<GatewayRequest>(data, 'superseded');
  return message?.t === 'superseded' ? `${message.agentId} @${message.agentId}:${message.epoch}@` : '';
}
