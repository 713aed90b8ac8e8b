namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// A message that may cross hosts: <see cref="WireSerializer"/> writes and reads it by the format that
/// <see cref="WireFormats"/> has for its type, and nothing else of ours is sent.
/// </summary>
public interface IWireMessage;
