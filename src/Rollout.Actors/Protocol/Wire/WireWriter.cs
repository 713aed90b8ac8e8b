using System.Buffers;
using System.Runtime.InteropServices;
using Akka.Actor;
using Akka.Serialization;
using MessagePack;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>Writes the fields of a message one after the other, as MessagePack values.</summary>
internal ref struct WireWriter(IBufferWriter<byte> buffer)
{
    private MessagePackWriter _writer = new(buffer);

    public void Bool(bool value) => _writer.Write(value);

    public void Whole(int value) => _writer.Write(value);

    public void Whole(long value) => _writer.Write(value);

    public void Whole(ulong value) => _writer.Write(value);

    public void Number(float value) => _writer.Write(value);

    public void Number(double value) => _writer.Write(value);

    public void Text(string value) => _writer.Write(value);

    public void OptionalText(string? value) => _writer.Write(value);

    /// <summary>Writes an actor's address.</summary>
    public void Actor(IActorRef value) => _writer.Write(Serialization.SerializedActorPath(value));

    /// <summary>Writes the number of values that follow.</summary>
    public void Count(int value) => _writer.WriteArrayHeader(value);

    public void Bytes(ReadOnlySpan<byte> value) => _writer.Write(value);

    /// <summary>Writes the numbers as their little-endian bytes, which are most of a rollout.</summary>
    public void Wholes(ReadOnlySpan<int> values) => _writer.Write(MemoryMarshal.AsBytes(values));

    /// <inheritdoc cref="Wholes"/>
    public void Numbers(ReadOnlySpan<float> values) => _writer.Write(MemoryMarshal.AsBytes(values));

    public void OptionalNumbers(float[]? values)
    {
        if (values is null)
            _writer.WriteNil();
        else
            Numbers(values);
    }

    public void Flush() => _writer.Flush();
}
