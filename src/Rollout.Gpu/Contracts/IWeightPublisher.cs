namespace Rollout.Gpu.Contracts;

/// <summary>
/// The trainer's end of a weight transfer. Called on the trainer's thread, which it blocks while it copies.
/// </summary>
public interface IWeightPublisher
{
    /// <summary>
    /// Copies the present weights and offers the copy to decoder hosts. Ends the previous offer, and cuts off its
    /// running transfers.
    /// </summary>
    WeightOffer Publish(Policy policy);
}
