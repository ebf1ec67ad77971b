import type { Collector } from '../contract/collector.js';
import { ownedSockets } from './sockets.js';

export const listeningPorts: Collector = {
  table: 'listening_ports',
  *collect(system, request) {
    for (const { pid, fd, socket, namespace } of ownedSockets(system, request)) {
      if (!socket.listening) continue;
      yield {
        pid,
        fd,
        port: socket.localPort,
        protocol: socket.protocol,
        family: socket.family,
        address: socket.localAddress,
        socket: socket.inode,
        path: socket.path,
        net_namespace: namespace,
      };
    }
  },
};
