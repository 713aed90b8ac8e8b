namespace Rollout.Gpu.Contracts;

/// <summary>The trainer's end of a weight transfer. Used by the trainer's thread, which it blocks while it copies.</summary>
public interface IWeightPublisher
{
    /// <summary>
    /// Takes a copy of the weights as they are now and offers it to decoder hosts. The offer before it ends: transfers of
    /// it that are under way are cut off.
    /// </summary>
    WeightOffer Publish(Policy policy);
}
