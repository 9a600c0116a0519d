import type { CancellableInvitation, Client, Role } from '@echospace/client';
import type { List } from './list.js';
import { nameOf } from './peopleview.js';

/** What the invite dialog can invite to, and in which words. */
export interface Offer {
  readonly title: string;
  readonly send: string;
  readonly tell: string;
  readonly tellHelp: string;
  /** What the guest may become; empty where there is no choice. */
  readonly roles: readonly Role[];
  /** What is said while nobody has come. */
  readonly waiting: string;
  /** What is said while somebody is there who has not entered the digits. */
  readonly connected: string;
  /** The invitation that waits for its guest, if there is one. */
  open(): CancellableInvitation | undefined;
  create(role: Role): CancellableInvitation;
  /** Notes who is there already; what it gives says who has come since. */
  watch(): () => string;
}

/** An invitation to a list. */
export function listOffer(list: List): Offer {
  return {
    title: `Invite to ${list.name}`,
    send: 'Send this link',
    tell: 'Tell them these digits another way',
    tellHelp: 'On the phone, or face to face. Whoever has only the link cannot join.',
    roles: list.grants,
    waiting: 'Waiting for your guest. Keep this page open until they have joined.',
    connected: 'Your guest is connected and has to enter the digits.',
    open: () => list.invitation,
    create: (role) => list.space.createInvitation({ role }),
    watch: () => {
      const before = new Set(list.space.members.get().map(({ identityKey }) => identityKey.toHex()));
      return () => {
        const member = list.space.members
          .get()
          .find(({ identityKey, self }) => !self && !before.has(identityKey.toHex()));
        return `${member ? nameOf(member) : 'Your guest'} has joined.`;
      };
    },
  };
}

/** An invitation for a further device of one's own. */
export function deviceOffer({ halo }: Client): Offer {
  return {
    title: 'Add a device',
    send: 'Open this link on the other device',
    tell: 'Enter these digits there',
    tellHelp: 'Whoever has the link and the digits becomes you: show them to nobody.',
    roles: [],
    waiting: 'Waiting for your other device. Keep this page open until it is there.',
    connected: 'Your other device is connected. Enter the digits there.',
    open: () => halo.invitations.get().find(isOpen),
    create: () => halo.createInvitation(),
    watch: () => () => 'Your other device is there. Your lists come to it.',
  };
}

const unfinished: ReadonlySet<string> = new Set([
  'INIT',
  'CONNECTING',
  'CONNECTED',
  'READY_FOR_AUTHENTICATION',
  'AUTHENTICATING',
]);

/** Whether an invitation still waits for its guest. */
export const isOpen = (invitation: CancellableInvitation): boolean => unfinished.has(invitation.get().state);
