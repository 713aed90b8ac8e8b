using System.Runtime.CompilerServices;
using Akka.Remote.Transport;
using DotNetty.Buffers;
using DotNetty.Codecs;
using DotNetty.Common.Utilities;
using DotNetty.Transport.Channels;

namespace Rollout.Actors.Topology;

/// <summary>
/// Tells a <see cref="FrameBudget"/> what arrives on one connection of Akka's transport: bytes before its frame decoder, and
/// whole frames behind it. The decoder keeps what lies between.
/// </summary>
internal sealed class FrameMeter : ChannelHandlerAdapter
{
    private const string TcpHandle = "Akka.Remote.Transport.DotNetty.TcpAssociationHandle, Akka.Remote";

    private static readonly Type Tcp = Type.GetType(TcpHandle, throwOnError: true)!;

    private readonly FrameBudget _budget;
    private readonly FrameBudget.Reader _reader;

    private FrameMeter(FrameBudget budget, FrameBudget.Reader reader) => (_budget, _reader) = (budget, reader);

    /// <summary>Measures a connection from now on, if it is one of TCP. To be called before it is read.</summary>
    public static void Attach(AssociationHandle connection, FrameBudget budget)
    {
        if (!Tcp.IsInstanceOfType(connection))
            return;
        var channel = ChannelOf(connection);
        var decoder = channel.Pipeline.Context<LengthFieldBasedFrameDecoder>().Name;
        var reader = new FrameBudget.Reader(() => channel.CloseAsync());
        channel.Pipeline.AddBefore(decoder, "bytes", new FrameMeter(budget, reader));
        channel.Pipeline.AddAfter(decoder, "frames", new Frames(budget, reader));
        if (!channel.Active)
            budget.Leave(reader);
    }

    public override void ChannelRead(IChannelHandlerContext context, object message)
    {
        if (message is IByteBuffer bytes && !_budget.TryAdd(_reader, bytes.ReadableBytes))
            ReferenceCountUtil.Release(message);
        else
            context.FireChannelRead(message);
    }

    public override void ChannelInactive(IChannelHandlerContext context)
    {
        _budget.Leave(_reader);
        context.FireChannelInactive();
    }

    /// <summary>Akka's transport can't be given another frame decoder, and shows nobody its connections.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_channel")]
    private static extern ref readonly IChannel ChannelOf(
        [UnsafeAccessorType(TcpHandle)] object connection);

    private sealed class Frames(FrameBudget budget, FrameBudget.Reader reader) : ChannelHandlerAdapter
    {
        private const int Prefix = sizeof(int);

        public override void ChannelRead(IChannelHandlerContext context, object message)
        {
            if (message is IByteBuffer frame)
                budget.Finish(reader, frame.ReadableBytes + Prefix);
            context.FireChannelRead(message);
        }
    }
}
