namespace Rollout.Actors.Protocol.Wire;

/// <summary>Writes the fields of a message in their order.</summary>
internal delegate void WriteFields<in T>(ref WireWriter writer, T message);

/// <summary>Reads the fields of a message in the same order.</summary>
internal delegate T ReadFields<out T>(ref WireReader reader);

/// <summary>Writes and reads the messages of one type.</summary>
internal abstract class WireFormat(string manifest, Type type)
{
    /// <summary>
    /// The message's name and the version of its fields, such as "submit-group:2". The version changes with every change of a
    /// field or of its meaning.
    /// </summary>
    public string Manifest { get; } = manifest;

    public Type Type { get; } = type;

    public abstract void Write(ref WireWriter writer, object message);

    public abstract object Read(ref WireReader reader);
}

/// <inheritdoc cref="WireFormat"/>
internal sealed class WireFormat<T>(string manifest, WriteFields<T> write, ReadFields<T> read)
    : WireFormat(manifest, typeof(T))
    where T : class, IWireMessage
{
    public override void Write(ref WireWriter writer, object message) => write(ref writer, (T)message);

    public override object Read(ref WireReader reader) => read(ref reader);
}
