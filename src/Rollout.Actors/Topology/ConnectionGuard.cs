using System.Net;
using Akka.Actor;
using Akka.Event;
using Akka.Remote.Transport;
using Google.Protobuf;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Topology;

/// <summary>Puts a <see cref="ConnectionGuard"/> before Akka's transport; named in akka.conf.</summary>
public sealed class ConnectionGuardProvider : ITransportAdapterProvider
{
    public Transport Create(Transport wrappedTransport, ExtendedActorSystem system) =>
        new ConnectionGuard(wrappedTransport, system);
}

/// <summary>
/// Bounds the connections that others open to the cluster's port, and the memory of half-sent frames on all connections,
/// which Akka keeps up to their full length. A connection is a stranger's until its first frame has arrived whole.
/// </summary>
internal sealed class ConnectionGuard : Transport
{
    private static readonly ConnectionLimits Limits = new(
        Peers: 2048, PeersOfAddress: 256, Strangers: 64, StrangersOfAddress: 16);

    /// <summary>Bytes of unfinished frames. The buffers that Akka keeps them in take up to twice as much.</summary>
    private const long MostUnfinished = 64 << 20;

    private readonly Transport _transport;
    private readonly ILoggingAdapter _log;
    private readonly ConnectionGate _gate;
    private readonly FrameBudget _frames;

    public ConnectionGuard(Transport transport, ExtendedActorSystem system)
    {
        (_transport, _log) = (transport, Logging.GetLogger(system, typeof(ConnectionGuard)));
        (System, Config) = (system, transport.Config);
        (SchemeIdentifier, MaximumPayloadBytes) = (transport.SchemeIdentifier, transport.MaximumPayloadBytes);
        _gate = new ConnectionGate(Limits, TimeProvider.System, count => _log.Warning(
            "connections to the cluster's port were closed because they sent no whole message: {0} so far", count));
        _frames = new FrameBudget(MostUnfinished, TimeProvider.System, count => _log.Warning(
            "connections were closed because unfinished messages on all of them took more than {0} MiB: {1} so far",
            MostUnfinished >> 20, count));
    }

    public override bool IsResponsibleFor(Address remote) => _transport.IsResponsibleFor(remote);

    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        var wire = await _transport.Associate(remoteAddress).ConfigureAwait(false);
        FrameMeter.Attach(wire, _frames);
        return wire;
    }

    public override Task<bool> Shutdown() => _transport.Shutdown();

    public override Task<bool> ManagementCommand(object message) => _transport.ManagementCommand(message);

    public override async Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        var (address, door) = await _transport.Listen().ConfigureAwait(false);
        var akka = new TaskCompletionSource<IAssociationEventListener>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = OpenAsync(akka.Task, door);
        return (address, akka);
    }

    private async Task OpenAsync(
        Task<IAssociationEventListener> akka, TaskCompletionSource<IAssociationEventListener> door) =>
        door.TrySetResult(new Door(this, await akka.ConfigureAwait(false)));

    /// <summary>Hands each new connection on.</summary>
    private sealed class Door(ConnectionGuard guard, IAssociationEventListener akka) : IAssociationEventListener
    {
        public void Notify(IAssociationEvent ev) => akka.Notify(
            ev is InboundAssociation inbound ? new InboundAssociation(new Inbound(guard, inbound.Association)) : ev);
    }

    /// <summary>A connection that somebody else opened.</summary>
    private sealed class Inbound : AssociationHandle, IHandleEventListener
    {
        private readonly ConnectionGuard _guard;
        private readonly AssociationHandle _wire;
        private readonly ConnectionGate.Guest _guest;
        private IHandleEventListener? _reader;
        private bool _isPeer;

        public Inbound(ConnectionGuard guard, AssociationHandle wire)
            : base(wire.LocalAddress, wire.RemoteAddress)
        {
            (_guard, _wire) = (guard, wire);
            var address = IPAddress.TryParse(wire.RemoteAddress.Host, out var parsed) ? parsed : IPAddress.None;
            _guest = guard._gate.Enter(address, () => Close("others wait, and it has sent no whole message"));
            FrameMeter.Attach(wire, guard._frames);
            _ = ReadAsync();
        }

        public override bool Write(ByteString payload) => _wire.Write(payload);

        [Obsolete("Akka's own method without a reason, which it still calls.")]
        public override void Disassociate() => Close("it was closed");

        public void Notify(IHandleEvent ev)
        {
            if (ev is InboundPayload && !_isPeer && !(_isPeer = _guard._gate.TryAdmit(_guest)))
            {
                Close("there are too many connections");
                return;
            }
            if (ev is Disassociated)
            {
                // A peer that ends a connection before its first frame, as a probe does, turned itself away.
                _guest.HasAsked = true;
                _guard._gate.Leave(_guest);
            }
            _reader?.Notify(ev);
        }

        private async Task ReadAsync()
        {
            _reader = await ReadHandlerSource.Task.ConfigureAwait(false);
            _wire.ReadHandlerSource.TrySetResult(this);
        }

        private void Close(string reason) => _wire.Disassociate(reason, _guard._log);
    }
}
