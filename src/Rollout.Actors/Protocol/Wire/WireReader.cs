using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Serialization;
using Akka.Actor;
using MessagePack;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// Reads what <see cref="WireWriter"/> wrote and refuses everything else. It checks each count against its limit and against the
/// bytes that are left before it allocates anything.
/// </summary>
/// <param name="bytes">The message.</param>
/// <param name="system">Resolves actors' addresses.</param>
internal ref struct WireReader(byte[] bytes, ExtendedActorSystem system)
{
    private MessagePackReader _reader = new(bytes);

    public bool Bool() => _reader.ReadBoolean();

    public int Whole() => _reader.ReadInt32();

    public long Whole64() => _reader.ReadInt64();

    /// <summary>Reads a whole number, and refuses one outside of these bounds.</summary>
    public long Within(long least, long most)
    {
        var number = Whole64();
        return number >= least && number <= most
            ? number
            : throw new SerializationException($"a number is {number}: expected {least} to {most}");
    }

    public ulong Unsigned64() => _reader.ReadUInt64();

    public float Number() => _reader.ReadSingle();

    public double Number64() => _reader.ReadDouble();

    public string Text() => OptionalText() ?? throw new SerializationException("a text is missing");

    public string? OptionalText()
    {
        if (_reader.TryReadNil())
            return null;
        if (!_reader.TryReadStringSpan(out var text))
            throw new SerializationException("a text is in pieces");
        if (text.Length > WireLimits.MaxText)
            throw new SerializationException($"a text has {text.Length} bytes, more than {WireLimits.MaxText}");
        return Utf8.GetString(text);
    }

    /// <summary>Reads an actor's address; the actor need not exist.</summary>
    public IActorRef Actor()
    {
        var path = Text();
        return ActorPath.TryParse(path, out _)
            ? system.Provider.ResolveActorRef(path)
            : throw new SerializationException("an actor's address can't be read");
    }

    /// <summary>Reads a number of items, each of which takes at least a byte.</summary>
    public int Count(int most = WireLimits.MaxCount)
    {
        var count = _reader.ReadArrayHeader();
        return count <= most && count <= bytes.Length - _reader.Consumed
            ? count
            : throw new SerializationException($"a list has {count} items, more than {most} or than the message holds");
    }

    public byte[] Bytes(int most)
    {
        var content = Content();
        return content.Length <= most
            ? content.ToArray()
            : throw new SerializationException($"a field has {content.Length} bytes, more than {most}");
    }

    public int[] Wholes() => Values<int>();

    public float[] Numbers() => Values<float>();

    public float[]? OptionalNumbers() => _reader.TryReadNil() ? null : Numbers();

    /// <summary>Refuses bytes after the last field.</summary>
    public void End()
    {
        if (!_reader.End)
            throw new SerializationException($"{bytes.Length - _reader.Consumed} bytes follow the message's last field");
    }

    private static System.Text.UTF8Encoding Utf8 { get; } = new(false, throwOnInvalidBytes: true);

    private T[] Values<T>()
        where T : unmanaged
    {
        var content = Content();
        var size = Marshal.SizeOf<T>();
        if (content.Length % size != 0)
            throw new SerializationException($"{content.Length} bytes are no whole number of values of {size} bytes");
        var values = new T[content.Length / size];
        content.CopyTo(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>Reads bytes. MessagePack checks their length against what is left.</summary>
    private ReadOnlySequence<byte> Content() =>
        _reader.ReadBytes() ?? throw new SerializationException("a field's bytes are missing");
}
