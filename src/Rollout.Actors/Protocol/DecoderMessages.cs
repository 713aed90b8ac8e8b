namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of a DecoderActor: one per device.</summary>
public interface IDecoderMessage;
