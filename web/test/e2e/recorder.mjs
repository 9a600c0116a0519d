// The package, with a client that others can find: what a sample that keeps
// everything to itself has made is noted in `globalThis.seen`.

import { Client as RealClient } from '/web/dist/index.js';

export * from '/web/dist/index.js';

export const seen = { clients: [], spaces: [], offered: [], accepted: [], joined: [] };
globalThis.seen = seen;

export class Client extends RealClient {
  constructor(options) {
    super(options);
    seen.clients.push(this);
  }

  async createSpace(properties) {
    const space = await super.createSpace(properties);
    const { createInvitation } = space;
    space.createInvitation = (options) => {
      const invitation = createInvitation.call(space, options);
      // P02: read in the same turn in which the sample gets the invitation.
      seen.offered.push({ invitation, code: invitation.get().code, authCode: invitation.get().authCode });
      return invitation;
    };
    seen.spaces.push(space);
    return space;
  }

  acceptInvitation(invitation, options) {
    const accepted = super.acceptInvitation(invitation, options);
    seen.accepted.push(accepted);
    return accepted;
  }

  getSpace(key) {
    const space = super.getSpace(key);
    // P03, P04: what the sample has in hand right after authenticate().
    seen.joined.push({ space, isOpen: space?.isOpen, state: seen.accepted.at(-1)?.get().state });
    return space;
  }
}
