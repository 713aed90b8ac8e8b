using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Serialization;
using Akka.Actor;
using MessagePack;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// Reads what <see cref="WireWriter"/> wrote, and refuses everything else: a count is checked against its limit and the
/// bytes that are left before anything is allocated for it.
/// </summary>
/// <param name="bytes">The message.</param>
/// <param name="system">Turns addresses into actors.</param>
internal ref struct WireReader(byte[] bytes, ExtendedActorSystem system)
{
    /// <summary>Characters of a text at most.</summary>
    public const int MaxText = 1 << 16;

    /// <summary>Items of a list at most.</summary>
    public const int MaxCount = 1 << 20;

    private MessagePackReader _reader = new(bytes);

    public bool Bool() => _reader.ReadBoolean();

    public int Whole() => _reader.ReadInt32();

    public long Whole64() => _reader.ReadInt64();

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
        if (text.Length > MaxText)
            throw new SerializationException($"a text has {text.Length} bytes, more than {MaxText}");
        return Utf8.GetString(text);
    }

    /// <summary>An actor's address; nobody where it names none.</summary>
    public IActorRef Actor()
    {
        var path = Text();
        return ActorPath.TryParse(path, out _)
            ? system.Provider.ResolveActorRef(path)
            : throw new SerializationException("an actor's address is none");
    }

    /// <summary>A number of items, each of which takes at least a byte.</summary>
    public int Count(int most = MaxCount)
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

    /// <summary>Nothing follows the last field.</summary>
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

    /// <summary>No longer than the message: the reader checks the length against what is left.</summary>
    private ReadOnlySequence<byte> Content() =>
        _reader.ReadBytes() ?? throw new SerializationException("a field's bytes are missing");
}
