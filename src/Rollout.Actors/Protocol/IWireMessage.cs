namespace Rollout.Actors.Protocol;

/// <summary>
/// A message that may cross hosts. The serializer in Protocol/Wire is bound to this interface and has one fixed format for
/// each such type; it sends nothing else of the product's.
/// </summary>
public interface IWireMessage;
