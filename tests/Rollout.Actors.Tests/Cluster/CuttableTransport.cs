using System.Collections.Frozen;
using Akka.Actor;
using Akka.Configuration;
using Akka.Remote;
using Akka.Remote.Transport;
using Google.Protobuf;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>
/// The product's transport, over cables that can be cut: of a connection that this side opened to a member beyond the
/// cut, nothing arrives any more in either direction, and nobody is told, as when a switch dies. Two sides are apart when
/// each has been told of the other.
/// </summary>
public sealed class CuttableTransport : Transport
{
    /// <summary>For members that are to be cut off, which only their silence tells.</summary>
    public const string Akka =
        """
        akka.remote.dot-netty.tcp.transport-class = "Rollout.Actors.Tests.Cluster.CuttableTransport, Rollout.Actors.Tests"
        akka.cluster.failure-detector.acceptable-heartbeat-pause = 2s

        """;

    private const string BeyondKey = "beyond-the-cut";

    private readonly Transport _tcp;
    private volatile FrozenSet<NodeAddress> _beyond = [];

    public CuttableTransport(ActorSystem system, Config config)
    {
        var tcp = Type.GetType("Akka.Remote.Transport.DotNetty.TcpTransport, Akka.Remote", throwOnError: true)!;
        _tcp = (Transport)Activator.CreateInstance(tcp, system, config)!;
        (System, Config) = (system, config);
        (SchemeIdentifier, MaximumPayloadBytes) = (_tcp.SchemeIdentifier, _tcp.MaximumPayloadBytes);
        if (config.HasPath(BeyondKey))
            _beyond = config.GetStringList(BeyondKey).Select(Parse).ToFrozenSet();
    }

    /// <summary>For a member that starts cut off from these.</summary>
    public static string CutOffFrom(params NodeAddress[] beyond) =>
        $"akka.remote.dot-netty.tcp.{BeyondKey} = [{string.Join(", ", beyond.Select(node => $"\"{node}\""))}]\n";

    /// <summary>From now on no member of one side reaches one of the other.</summary>
    public static async Task CutAsync(IReadOnlyList<RolloutTopology> side, IReadOnlyList<RolloutTopology> other)
    {
        await SetAsync(side, [.. other.Select(member => member.Address)]);
        await SetAsync(other, [.. side.Select(member => member.Address)]);
    }

    /// <summary>
    /// From now on nothing of one member arrives at the other, in addition to what was cut before. Needs
    /// <c>akka.remote.use-passive-connections = off</c>, so that each sends over a connection that it opened.
    /// </summary>
    public static Task CutOneWayAsync(RolloutTopology from, RolloutTopology to) =>
        TellAsync(from, new CutMore(to.Address));

    /// <summary>From now on these members reach everybody again.</summary>
    public static Task MendAsync(params RolloutTopology[] members) => SetAsync(members, []);

    private static async Task SetAsync(IReadOnlyList<RolloutTopology> members, NodeAddress[] beyond)
    {
        foreach (var member in members)
            await TellAsync(member, new Cut(beyond.ToFrozenSet()));
    }

    private static Task<bool> TellAsync(RolloutTopology member, object command) =>
        ((RemoteActorRefProvider)((ExtendedActorSystem)member.System).Provider).Transport.ManagementCommand(command);

    public override bool IsResponsibleFor(Address remote) => _tcp.IsResponsibleFor(remote);

    public override Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen() => _tcp.Listen();

    public override async Task<AssociationHandle> Associate(Address remoteAddress) =>
        new Cable(this, await _tcp.Associate(remoteAddress));

    public override Task<bool> Shutdown() => _tcp.Shutdown();

    public override Task<bool> ManagementCommand(object message)
    {
        if (message is CutMore more)
            _beyond = _beyond.Append(more.Beyond).ToFrozenSet();
        else if (message is Cut cut)
            _beyond = cut.Beyond;
        else
            return _tcp.ManagementCommand(message);
        return Task.FromResult(true);
    }

    private static NodeAddress Parse(string text) => NodeAddress.TryParse(text, out var address)
        ? address
        : throw new FormatException(text);

    private bool IsCut(Address remote) => _beyond.Contains(Hosts.AddressOf(remote));

    private sealed record Cut(FrozenSet<NodeAddress> Beyond);

    private sealed record CutMore(NodeAddress Beyond);

    /// <summary>A connection that this side opened: the other one's end of it has no name but a passing port.</summary>
    private sealed class Cable : AssociationHandle
    {
        private readonly CuttableTransport _transport;
        private readonly AssociationHandle _wire;

        public Cable(CuttableTransport transport, AssociationHandle wire)
            : base(wire.LocalAddress, wire.RemoteAddress)
        {
            (_transport, _wire) = (transport, wire);
            _ = ListenAsync();
        }

        private bool IsCut => _transport.IsCut(RemoteAddress);

        /// <summary>What is sent into a cut cable is gone, and the sender none the wiser.</summary>
        public override bool Write(ByteString payload) => IsCut || _wire.Write(payload);

#pragma warning disable CS0672, CS0618 // the transport has no other way to be told yet
        public override void Disassociate() => _wire.Disassociate();
#pragma warning restore CS0672, CS0618

        private async Task ListenAsync() => _wire.ReadHandlerSource.SetResult(new Ear(this, await ReadHandlerSource.Task));

        private sealed class Ear(Cable cable, IHandleEventListener listener) : IHandleEventListener
        {
            public void Notify(IHandleEvent ev)
            {
                if (!cable.IsCut)
                    listener.Notify(ev);
            }
        }
    }
}
